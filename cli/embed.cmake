# SPDX-License-Identifier: Apache-2.0
# Makes one page of PAGE.html, .css and .js, and of that the C file OUT with an array of its bytes:
#     cmake -DPAGE=.../inspect -DNAME=inspect_page -DOUT=....c -P embed.cmake
file(READ ${PAGE}.html page)
file(READ ${PAGE}.css style)
file(READ ${PAGE}.js script)
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")
file(WRITE ${OUT}.html "${page}")
file(READ ${OUT}.html bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}00")
string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "/* Made of ${NAME} by embed.cmake. */
#include \"${NAME}.h\"

const unsigned char ${NAME}[] = {
${bytes}};
")
