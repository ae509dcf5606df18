# cmake -DIN=results_schema.sql -DOUT=results_schema.c -P results_embed.cmake: the schema as a C array.
# (An array and not a string: C guarantees only 4095 characters of a literal.)
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "extern const char results_schema_sql[];\nconst char results_schema_sql[] = {\n${bytes}0};\n")
