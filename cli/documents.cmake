# SPDX-License-Identifier: Apache-2.0
# Writes the manual pages to OUT/man1 and the completion scripts to OUT, by the tool PKM.
function(write_output file) # write_output FILE ARGUMENT...
    execute_process(COMMAND ${PKM} ${ARGN} OUTPUT_FILE ${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT}/man1)
foreach(shell IN ITEMS bash zsh fish)
    write_output(${OUT}/pkm.${shell} completion ${shell})
endforeach()
execute_process(COMMAND ${PKM} help --list OUTPUT_VARIABLE commands COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" commands "${commands}")
foreach(command IN LISTS commands)
    string(REPLACE " " "-" name "${command}")
    separate_arguments(words UNIX_COMMAND "${command}")
    write_output(${OUT}/man1/pkm-${name}.1 help --man ${words})
endforeach()
write_output(${OUT}/man1/pkm.1 help --man)
