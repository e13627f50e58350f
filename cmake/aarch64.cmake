# SPDX-License-Identifier: Apache-2.0
# Toolchain for 64-bit ARM on another machine; the root folder is made by scripts/test-arm. Tests run
# under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(PKM_ARM_ROOT ${CMAKE_CURRENT_LIST_DIR}/../build/arm-root)
set(CMAKE_SYSROOT ${PKM_ARM_ROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${PKM_ARM_ROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${PKM_ARM_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${PKM_ARM_ROOT}/usr/share/pkgconfig)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;${PKM_ARM_ROOT})
