"""What happened: the event journal, crash-safe and verifiable."""
