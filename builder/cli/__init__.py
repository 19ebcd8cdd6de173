"""The builder's verbs: one module each, loaded when it is asked for."""
