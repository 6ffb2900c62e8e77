// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.MemorySegment;

/// Zeroed host memory that device and host both reach; [Cuda#free(PinnedMemory)] ends it.
///
/// A copy from it to the device reads it when the stream comes to it, not when the copy is called.
///
/// @param host as the host sees it
/// @param device the same bytes as a kernel sees them
public record PinnedMemory(MemorySegment host, DevicePointer device) {}
