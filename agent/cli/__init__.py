"""`floto-agent`: one file a verb."""
