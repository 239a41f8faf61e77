"""Does a penalty keep a learning system from changing itself without leave, and what does that cost it?"""
