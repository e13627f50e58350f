# SPDX-License-Identifier: Apache-2.0
# Debian packages by `cpack`, one per component of PkmInstall.cmake. For -DPKM_PACKAGE=ON, which the
# preset `package` sets; scripts/package does the whole. Dates are those of SOURCE_DATE_EPOCH.
set(PKM_MAINTAINER "pkm developers <pkm@example.org>") # the one place
set(PKM_HOMEPAGE https://pkm.example.org)
set(PKM_DEB_REVISION 0pkm1) # older than 1, the first package of Debian itself
set(PKM_DEB_VERSION ${PROJECT_VERSION}-${PKM_DEB_REVISION})
set(PKM_DEB_LIBRARY libpkm${PROJECT_VERSION_MAJOR})
set(PKM_DEB_DEV libpkm-dev)
set(PKM_DEB_TOOL pkm)

# Copyright and changelogs of every package.
set(debian ${CMAKE_BINARY_DIR}/debian)
string(TIMESTAMP PKM_DEB_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(cmake/debian/copyright.in ${debian}/copyright @ONLY)
configure_file(cmake/debian/changelog.in ${debian}/changelog.Debian @ONLY)
configure_file(CHANGELOG.md ${debian}/changelog COPYONLY)
execute_process(COMMAND gzip -9nf changelog changelog.Debian
    WORKING_DIRECTORY ${debian} COMMAND_ERROR_IS_FATAL ANY)
foreach(component IN ITEMS LIBRARY DEV TOOL)
    string(TOLOWER ${component} lower)
    install(FILES ${debian}/copyright ${debian}/changelog.gz ${debian}/changelog.Debian.gz
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${PKM_DEB_${component}} COMPONENT ${lower})
endforeach()

# CPack strips programs and shared libraries only.
install(CODE "execute_process(COMMAND ${CMAKE_STRIP} --strip-debug --enable-deterministic-archives
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/libpkm.a\"
    COMMAND_ERROR_IS_FATAL ANY)" COMPONENT dev)

# Debian wants manual pages compressed.
install(CODE "file(GLOB pages
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1/*.1\")
execute_process(COMMAND gzip -9n \${pages} COMMAND_ERROR_IS_FATAL ANY)" COMPONENT tool)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pkm)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT ${PKM_MAINTAINER})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL library dev tool)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${PKM_DEB_REVISION})
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE ${PKM_HOMEPAGE})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${PKM_DEB_LIBRARY})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS libcairo2) # loaded to draw a PNG
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/cmake/debian/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "language models with product-key memories: library
Trains and runs transformers in which a product-key memory layer, a large
table of which each token reads a few dozen rows, stands in place of a
feed-forward part or beside it, on ordinary processors.

This package contains the shared library.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME ${PKM_DEB_DEV})
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${PKM_DEB_LIBRARY} (= ${PKM_DEB_VERSION}), \
libdnnl-dev, libjansson-dev, libutf8proc-dev, libxxhash-dev, zlib1g-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION "language models with product-key memories: development
Headers, static library, pkg-config and CMake packages of libpkm, which
trains and runs transformers with product-key memory layers.")

set(CPACK_DEBIAN_TOOL_PACKAGE_NAME ${PKM_DEB_TOOL})
set(CPACK_DEBIAN_TOOL_PACKAGE_SECTION science)
set(CPACK_DEBIAN_TOOL_PACKAGE_RECOMMENDS libcairo2)
set(CPACK_COMPONENT_TOOL_DESCRIPTION "language models with product-key memories: tool
Makes a tokenizer and a data set from files, trains GPT-2 models with or
without product-key memory layers on ordinary processors, evaluates them and
generates text. Training resumes to the bit.")
include(CPack)
