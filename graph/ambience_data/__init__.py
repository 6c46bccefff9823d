"""The data folders of an original installation, read and checked: plain Python that knows no shard and writes nothing.

`folders` finds them, `stores` reads one LMDB, `vectors` turns its values into rows, `file_names` and `point_ranges`
read what belongs to them, `pictures` merges all of it by id, `keypoints` compares the local features with their table,
`photos` knows the files of the pictures. `defects` collects what does not fit.
"""
