// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The kernels of a device, each program of them loaded once: compiled by NVRTC, or read from the
/// cache. Nothing is loaded in a step.
final class CudaPrograms implements AutoCloseable {
    private static final int INVALID_IMAGE = 200;
    private static final int NO_BINARY_FOR_GPU = 209;
    private static final int INVALID_PTX = 218;

    private final Cuda cuda;
    private final CudaStream stream;
    private final KernelCache cache;
    private final DevicePointer reports;
    private final Arena arena = Arena.ofShared();
    private final Map<List<String>, KernelImage> images = new HashMap<>();

    CudaPrograms(Cuda cuda, CudaStream stream, KernelCache cache, DevicePointer reports) {
        this.cuda = cuda;
        this.stream = stream;
        this.cache = cache;
        this.reports = reports;
    }

    /// Loads a kernel of static shared memory alone.
    CudaOp op(KernelDeclaration kernel, String... options) {
        return op(kernel, 0, options);
    }

    /// Loads a kernel.
    ///
    /// @param sharedBytes the most dynamic shared memory of a launch
    /// @param options of the compiler, such as `-DACTIVATION=BF16`
    synchronized CudaOp op(KernelDeclaration kernel, int sharedBytes, String... options) {
        KernelImage image = image(kernel.file(), List.of(options));
        return new CudaOp(
                cuda,
                stream,
                reports,
                cuda.kernel(image, kernel.name(), sharedBytes),
                kernel.parameters(),
                arena);
    }

    private KernelImage image(String file, List<String> options) {
        var key = new ArrayList<>(options);
        key.addFirst(file);
        KernelImage loaded = images.get(key);
        if (loaded == null) {
            loaded = load(KernelSources.of(file), options);
            images.put(List.copyOf(key), loaded);
        }
        return loaded;
    }

    private KernelImage load(KernelSource source, List<String> options) {
        String architecture = cuda.device().architecture();
        try {
            return cuda.load(cache.image(source, architecture, options));
        } catch (CudaException failure) {
            if (failure.code() != INVALID_IMAGE
                    && failure.code() != NO_BINARY_FOR_GPU
                    && failure.code() != INVALID_PTX) {
                throw failure;
            }
            return cuda.load(cache.again(source, architecture, options));
        }
    }

    @Override
    public synchronized void close() {
        images.values().forEach(cuda::unload);
        images.clear();
        arena.close();
    }
}
