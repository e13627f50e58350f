# SPDX-License-Identifier: Apache-2.0
# The preset msan finds this in the place of CMake's own: a serial stand-in for OpenMP, whose runtime
# MemorySanitizer cannot follow.
add_library(pkm_uninstrumented STATIC ${CMAKE_SOURCE_DIR}/tests/msan/uninstrumented.c)
target_include_directories(pkm_uninstrumented PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(pkm_uninstrumented PRIVATE _GNU_SOURCE)
add_library(OpenMP::OpenMP_C ALIAS pkm_uninstrumented)
set(OpenMP_FOUND TRUE)
