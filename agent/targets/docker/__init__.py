"""Docker engines: the only room that speaks the engine's API (docs.docker.com/engine/api)."""
