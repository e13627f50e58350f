# SPDX-License-Identifier: Apache-2.0
# Warnings and floating-point rules of every object, and the flags of one instruction set per suffix.
add_library(pkm_flags INTERFACE)
target_compile_definitions(pkm_flags INTERFACE _GNU_SOURCE PKM_VERSION="${PROJECT_VERSION}")
# Not gcc's maybe-uninitialized: it cannot see that pkm_fail never returns PKM_OK. clang-tidy is told
# (src/base/error.h).
target_compile_options(pkm_flags INTERFACE
    -Wall -Wextra -Wshadow -Wvla -Wconversion -Wno-sign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wpointer-arith
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation -Wno-maybe-uninitialized>
    -fvisibility=hidden -fno-math-errno -ffp-contract=off
    # A release holds no path of the machine that built it: the same bytes from any folder.
    $<$<CONFIG:Release>:-ffile-prefix-map=${CMAKE_BINARY_DIR}=build>
    $<$<CONFIG:Release>:-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.>)

# Drops files this build has no use for: other architectures, SIMD in a portable build, the other
# dense provider. Gives the rest the flags of their suffix.
function(pkm_select_sources list_name)
    set(kept)
    foreach(file IN LISTS ${list_name})
        set(flags)
        set(keep TRUE)
        if(file MATCHES "_(avx2|avx512|avx512bf16|amx|neon)\\.c$")
            set(isa ${CMAKE_MATCH_1})
            if(NOT PKM_SIMD)
                set(keep FALSE)
            elseif(isa STREQUAL "neon")
                if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
                    set(keep FALSE)
                endif()
            elseif(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
                set(keep FALSE)
            endif()
            set(flags_avx2 -mavx2 -mfma -mf16c -mbmi -mbmi2)
            set(flags_avx512 ${flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd)
            set(flags_avx512bf16 ${flags_avx512} -mavx512bf16 -mavx512vbmi2)
            set(flags_amx ${flags_avx512bf16} -mamx-tile -mamx-bf16)
            set(flags ${flags_${isa}})
        elseif(file MATCHES "_ref\\.c$")
            set(flags -fno-tree-vectorize)
        endif()
        if(file MATCHES "/dense/[a-z_]*(onednn|ref)[a-z_]*\\.c$" AND NOT CMAKE_MATCH_1 STREQUAL PKM_DENSE)
            set(keep FALSE)
        endif()
        if(keep)
            list(APPEND kept ${file})
            set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${flags}")
        endif()
    endforeach()
    set(${list_name} ${kept} PARENT_SCOPE)
endfunction()

if(PKM_SIMD AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_definitions(pkm_flags INTERFACE PKM_X86)
elseif(PKM_SIMD AND CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    target_compile_definitions(pkm_flags INTERFACE PKM_ARM)
endif()
