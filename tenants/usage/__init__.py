"""Usage and money: what calls cost, what is left, and who used what."""
