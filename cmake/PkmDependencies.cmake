# SPDX-License-Identifier: Apache-2.0
# Everything libpkm stands on, gathered in one target. All are Debian packages. Also installed:
# the package config reads it for users of the static library. PKM_FIND: REQUIRED or QUIET.
include_guard()
find_package(PkgConfig ${PKM_FIND})
find_package(OpenMP ${PKM_FIND} COMPONENTS C)
find_package(ZLIB ${PKM_FIND})
find_package(Threads ${PKM_FIND})
pkg_check_modules(JANSSON ${PKM_FIND} IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(UTF8PROC ${PKM_FIND} IMPORTED_TARGET libutf8proc>=2.5)
pkg_check_modules(XXHASH ${PKM_FIND} IMPORTED_TARGET libxxhash>=0.8)

add_library(pkm::dependencies INTERFACE IMPORTED)
target_link_libraries(pkm::dependencies INTERFACE
    OpenMP::OpenMP_C ZLIB::ZLIB PkgConfig::JANSSON PkgConfig::UTF8PROC PkgConfig::XXHASH
    Threads::Threads ${CMAKE_DL_LIBS} m)
if(PKM_DENSE STREQUAL "onednn")
    # Not through oneDNN's own package: Debian's fails where OpenCL is missing, which pkm has no use for.
    find_path(PKM_DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h)
    find_library(PKM_DNNL_LIBRARY dnnl)
    if(PKM_DNNL_INCLUDE_DIR AND PKM_DNNL_LIBRARY)
        add_library(pkm::dnnl INTERFACE IMPORTED)
        target_include_directories(pkm::dnnl INTERFACE ${PKM_DNNL_INCLUDE_DIR})
        target_link_libraries(pkm::dnnl INTERFACE ${PKM_DNNL_LIBRARY})
    elseif(PKM_FIND STREQUAL "REQUIRED")
        message(FATAL_ERROR "oneDNN is not found (oneapi/dnnl/dnnl.h and libdnnl); -DPKM_DENSE=ref does without")
    endif()
    target_link_libraries(pkm::dependencies INTERFACE pkm::dnnl)
endif()
