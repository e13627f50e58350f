# SPDX-License-Identifier: Apache-2.0
# What makes a memory error that is there all the same hard to exploit, in optimised builds.
# scripts/check-hardening shows that the built files have it. Instrumented builds go without: their
# tools check more, and FORTIFY would hide reads and writes from them.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C) # from here on POSITION_INDEPENDENT_CODE links programs with -pie
if(CMAKE_C_FLAGS MATCHES "-fsanitize|--coverage")
    return()
endif()

set(flags -fstack-protector-strong -fstack-clash-protection)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND flags -fcf-protection=full)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    list(APPEND flags -mbranch-protection=standard)
endif()
if(NOT CMAKE_C_FLAGS MATCHES "_FORTIFY_SOURCE") # a distribution's own level stands
    list(APPEND flags -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
set(optimised $<CONFIG:Release,RelWithDebInfo,MinSizeRel>)
target_compile_options(pkm_flags INTERFACE "$<${optimised}:${flags}>")
target_link_options(pkm_flags INTERFACE
    "$<${optimised}:-Wl,-z,relro;-Wl,-z,now;-Wl,-z,noexecstack>")
