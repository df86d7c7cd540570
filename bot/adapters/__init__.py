"""The engine's parts as the command handlers want them (``bot.services``). Translation only, no decisions."""
