# SPDX-License-Identifier: Apache-2.0
# Everything libpkm stands on, gathered in one interface target. All are Debian packages.
find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc>=2.5)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8)

add_library(pkm_dependencies INTERFACE)
target_link_libraries(pkm_dependencies INTERFACE
    OpenMP::OpenMP_C ZLIB::ZLIB PkgConfig::JANSSON PkgConfig::UTF8PROC PkgConfig::XXHASH
    Threads::Threads m)
if(PKM_DENSE STREQUAL "onednn")
    find_package(dnnl REQUIRED CONFIG)
    target_link_libraries(pkm_dependencies INTERFACE DNNL::dnnl)
endif()
