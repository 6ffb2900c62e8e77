// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

/// A library of CUDA that the host brings, with the remedy when it is missing. The order is that of
/// opening: each library comes after those it depends on.
public enum CudaLibrary {
    DRIVER("libcuda.so.1", "install NVIDIA's driver 580 or newer"),
    RUNTIME(
            "libcudart.so.13",
            "install the CUDA 13 toolkit or the Python package nvidia-cuda-runtime"),
    NVRTC("libnvrtc.so.13", "install the CUDA 13 toolkit or the Python package nvidia-cuda-nvrtc"),
    CUBLAS_LT(
            "libcublasLt.so.13", "install the CUDA 13 toolkit or the Python package nvidia-cublas"),
    CUBLAS("libcublas.so.13", "install the CUDA 13 toolkit or the Python package nvidia-cublas"),
    NCCL("libnccl.so.2", "install NCCL 2.27 or newer or the Python package nvidia-nccl-cu13");

    private final String soname;
    private final String remedy;

    CudaLibrary(String soname, String remedy) {
        this.soname = soname;
        this.remedy = remedy;
    }

    public String soname() {
        return soname;
    }

    /// Returns what a user can do when it is missing.
    public String remedy() {
        return remedy + ", or name the folder that has it with --cuda-libraries";
    }
}
