# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` lays down: both libraries, headers, the tool, and how other builds find them.
# The components are the Debian packages (PkmPackage.cmake): library, dev, tool.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(PKM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/pkm)

install(TARGETS pkm_shared EXPORT pkmTargets
    LIBRARY COMPONENT library NAMELINK_COMPONENT dev
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS pkm_static EXPORT pkmStaticTargets
    ARCHIVE COMPONENT dev
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS pkm_cli RUNTIME COMPONENT tool)
if(PKM_CLI_DOCUMENTS)
    install(DIRECTORY ${PKM_CLI_DOCUMENTS}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT tool)
    install(FILES ${PKM_CLI_DOCUMENTS}/pkm.bash RENAME pkm
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT tool)
    # Debian's zsh looks for those of packages elsewhere.
    if(PKM_PACKAGE)
        set(PKM_ZSH_DIR zsh/vendor-completions)
    else()
        set(PKM_ZSH_DIR zsh/site-functions)
    endif()
    install(FILES ${PKM_CLI_DOCUMENTS}/pkm.zsh RENAME _pkm
        DESTINATION ${CMAKE_INSTALL_DATADIR}/${PKM_ZSH_DIR} COMPONENT tool)
    install(FILES ${PKM_CLI_DOCUMENTS}/pkm.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT tool)
endif()
install(DIRECTORY include/pkm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)

install(EXPORT pkmTargets NAMESPACE pkm:: DESTINATION ${PKM_CMAKE_DIR} COMPONENT dev)
install(EXPORT pkmStaticTargets NAMESPACE pkm:: DESTINATION ${PKM_CMAKE_DIR} COMPONENT dev)
configure_package_config_file(cmake/pkmConfig.cmake.in ${CMAKE_BINARY_DIR}/pkmConfig.cmake
    INSTALL_DESTINATION ${PKM_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/pkmConfigVersion.cmake
    COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/pkmConfig.cmake ${CMAKE_BINARY_DIR}/pkmConfigVersion.cmake
    cmake/PkmDependencies.cmake DESTINATION ${PKM_CMAKE_DIR} COMPONENT dev)

# Relative to its own place, so that `cmake --install --prefix` may choose another one.
set(PKM_PC_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH PKM_PC_PREFIX /${PKM_PC_DIR} /)
if(PKM_DENSE STREQUAL "onednn")
    set(PKM_PC_DENSE "-ldnnl ")
endif()
configure_file(cmake/pkm.pc.in ${CMAKE_BINARY_DIR}/pkm.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/pkm.pc DESTINATION ${PKM_PC_DIR} COMPONENT dev)
