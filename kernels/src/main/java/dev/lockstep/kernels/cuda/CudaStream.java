// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.Pointer;

/// A queue of the device; [Cuda#destroy] ends it. One thread at a time enqueues to it.
public final class CudaStream {
    private final CUstream_st handle;
    private final NativeAddress parameters = new NativeAddress();
    private final NativeAddress host = new NativeAddress();

    CudaStream(CUstream_st handle) {
        this.handle = handle;
    }

    /// Returns the stream as the libraries that enqueue to it want it.
    public CUstream_st handle() {
        return handle;
    }

    /// Returns the one struct of a kernel's parameters; Bytedeco makes the array of addresses.
    Pointer parameters(long address) {
        return parameters.set(address);
    }

    Pointer host(long address) {
        return host.set(address);
    }
}
