"""Plans, outcomes and sites as text for people: values in, lines out."""
