"""Log books of a made-up harbour, as a plugin of domainlm."""
