"""Language modelling: the next token, from all before it; and the texts that follow from it."""
