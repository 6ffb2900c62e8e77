// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.Pointer;

/// A queue of the device; [Cuda#destroy] ends it. One thread at a time enqueues to it.
public final class CudaStream {
    private final CUstream_st handle;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment parameters = arena.allocate(ValueLayout.JAVA_LONG);
    private final NativeAddress parametersAddress = new NativeAddress().set(parameters.address());
    private final NativeAddress host = new NativeAddress();

    CudaStream(CUstream_st handle) {
        this.handle = handle;
    }

    /// Returns the stream as the libraries that enqueue to it want it.
    public CUstream_st handle() {
        return handle;
    }

    /// Returns the array of the addresses of a kernel's parameters: the one struct at `address`.
    Pointer parameters(long address) {
        parameters.set(ValueLayout.JAVA_LONG, 0, address);
        return parametersAddress;
    }

    Pointer host(long address) {
        return host.set(address);
    }

    void close() {
        arena.close();
    }
}
