"""Six strategies to compare, as JSON files: `examples` names all of them, each name one."""
