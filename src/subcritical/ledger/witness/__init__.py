"""Witnesses of other people's logs (C2SP tlog-witness): the rules, the server that keeps them, a client that asks."""
