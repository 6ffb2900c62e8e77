// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import java.nio.file.Path;

/// What the ops of a device share: its stream, memory, programs, marks and host copies. The kernels
/// that made it close it, after all that has memory of it.
final class CudaContext implements AutoCloseable {
    private final Cuda cuda;
    private final DType activationType;
    private final CudaStream stream;
    private final RecordingGuard guard = new RecordingGuard();
    private final CudaMemory memory;
    private final DeviceBuffer reports;
    private final CudaPrograms programs;
    private final CudaProgress progress;
    private final CudaMarks marks;
    private final CudaStaging staging;
    private final HostCopies copies;

    /// @param cache the folder of compiled kernels
    CudaContext(Cuda cuda, DType activationType, Nvrtc nvrtc, Path cache) {
        this.cuda = cuda;
        this.activationType = activationType;
        stream = cuda.stream(-1);
        memory = new CudaMemory(cuda, stream, guard);
        reports = memory.buffer(CudaMarks.REPORTED.bytes());
        programs = new CudaPrograms(cuda, stream, new KernelCache(cache, nvrtc), reports.pointer());
        progress = new CudaProgress(memory, programs);
        marks = new CudaMarks(cuda, stream, guard, memory, reports.pointer());
        staging = new CudaStaging(cuda, stream, guard, memory);
        copies = new HostCopies(cuda, stream, memory, staging, marks);
    }

    Cuda cuda() {
        return cuda;
    }

    DType activationType() {
        return activationType;
    }

    CudaStream stream() {
        return stream;
    }

    RecordingGuard guard() {
        return guard;
    }

    CudaMemory memory() {
        return memory;
    }

    CudaPrograms programs() {
        return programs;
    }

    CudaProgress progress() {
        return progress;
    }

    CudaMarks marks() {
        return marks;
    }

    CudaStaging staging() {
        return staging;
    }

    HostCopies copies() {
        return copies;
    }

    @Override
    public void close() {
        staging.close();
        marks.close();
        programs.close();
        reports.close();
        memory.close();
        cuda.destroy(stream);
    }
}
