"""How many events there are of each type, by DuckDB. Prints the seconds it took."""
import sys, time
import duckdb

start = time.perf_counter()
query = """SELECT type, count(*) FROM read_json(?, format = 'newline_delimited', ignore_errors = true,
    columns = {seq: 'UBIGINT', type: 'VARCHAR'}, maximum_object_size = 67108864) WHERE seq IS NOT NULL GROUP BY type"""
duckdb.execute(query, [sys.argv[1:]]).fetchall()
print(time.perf_counter() - start)
