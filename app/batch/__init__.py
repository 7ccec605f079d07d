"""Photos by the million: shards in, shards out, finished once each, whatever is killed on the way.

    sources    a folder, a glob or tar shards -> what there is
    plan       loose photos -> shards of a fixed size that stay the same when photos are added
    photos     a shard -> its photos, one after the other
    worker     the work of one shard: photos -> a shard of results and its row of the manifest
    outputs    how results are written: files in a tar, a table
    crew       many workers, lost ones replaced: processes of this machine, or actors of a Ray cluster
    destination the folder of the results: locked, swept, with what is finished

A shard's row is written after its results, everything under a temporary name that is replaced at the end. So a row
means a finished shard, and what has no row is done again from its start.
"""
