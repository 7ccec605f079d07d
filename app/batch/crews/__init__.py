"""Who does the shards: processes of this machine (`processes`), or actors of a Ray cluster (`actors`)."""
