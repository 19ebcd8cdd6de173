"""Where artifacts come from: one outside world each, none of which knows another."""
