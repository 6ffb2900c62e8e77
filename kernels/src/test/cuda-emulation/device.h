// SPDX-License-Identifier: Apache-2.0
// Runs CUDA kernels on the CPU: g++ -include device.h compiles a .cu file into a shared object.
//
// Each thread is a fiber. Blocks run one after another; a warp runs until its lanes wait at a collective or a barrier.
// Shared memory is poisoned before each block. A seed chooses the order of blocks, warps and lanes: 0 forward, 1
// backward, any other a random one. A kernel without races gives the same bits in every order.
#pragma once

#define LS_EMULATED 1

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
// One section, so that it can be poisoned. Not for templates: gcc cannot put their variables there.
#define __shared__ static __attribute__((section("ls_shared")))

#include "device_thread.h"
#include "device_intrinsics.h"
#include "device_kernels.h"
