"""Events to findings to tripwires to actions to receipts, composed once."""
