// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUkern_st;
import org.bytedeco.cuda.cudart.CUlib_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.SizeTPointer;

/// The driver's calls on one device, in its primary context; the worker that opened it closes it.
///
/// Every call is checked; a failure is a [CudaException], or a
/// [dev.lockstep.kernels.DeviceLostException] where only a new process can use the device. A thread
/// calls [#attachThread] once before all other calls. Which thread uses a stream at a time is the
/// caller's business, all other calls may come from any attached thread.
public final class Cuda implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(Cuda.class);
    private static final int STREAM_NON_BLOCKING = 1;
    private static final int EVENT_BLOCKING_SYNC = 1;
    private static final int EVENT_DISABLE_TIMING = 2;
    private static final int HOST_PORTABLE_MAPPED = 1 | 2;
    private static final int MAX_THREADS = 0;
    private static final int STATIC_SHARED = 1;
    private static final int LOCAL_BYTES = 3;
    private static final int REGISTERS = 4;
    private static final int MAX_DYNAMIC_SHARED = 8;

    /// Graph launch and capture limit the struct of a kernel's parameters to this.
    static final int MAX_PARAMETERS = 4096;

    private final CudaDevice device;
    private final CudaLibraries libraries;
    private final int handle;
    private final CUctx_st context = new CUctx_st();
    private final CudaErrors errors = new CudaErrors();
    private final CudaGraphs graphs = new CudaGraphs(errors);

    private Cuda(CudaDevice device, CudaLibraries libraries) {
        this.device = device;
        this.libraries = libraries;
        check(cudart.cuInit(0), "cuInit");
        int[] number = new int[1];
        check(cudart.cuDeviceGet(number, device.ordinal()), "cuDeviceGet");
        handle = number[0];
        check(cudart.cuDevicePrimaryCtxRetain(context, handle), "cuDevicePrimaryCtxRetain");
    }

    /// Opens a device that [CudaProbe] found and attaches the calling thread.
    public static Cuda open(CudaLibraries libraries, CudaDevice device) {
        var cuda = new Cuda(device, libraries);
        try {
            cuda.attachThread();
            libraries.requireOneCopyEach();
            LOG.info(
                    "GPU {}: {}, {}, {}; driver for CUDA {}, runtime {}",
                    device.ordinal(),
                    device.name(),
                    device.architecture(),
                    device.uuid(),
                    CudaProbe.text(cuda.driverVersion()),
                    CudaProbe.text(cuda.runtimeVersion()));
            return cuda;
        } catch (RuntimeException failure) {
            throw cuda.closedAfter(failure);
        }
    }

    /// Closes this after `failure`, which it returns: what fails because of it is secondary.
    RuntimeException closedAfter(RuntimeException failure) {
        try {
            close();
        } catch (RuntimeException further) {
            failure.addSuppressed(further);
        }
        return failure;
    }

    public CudaDevice device() {
        return device;
    }

    public CudaLibraries libraries() {
        return libraries;
    }

    /// Returns the calls that capture streams and launch what they captured.
    public CudaGraphs graphs() {
        return graphs;
    }

    public int driverVersion() {
        int[] version = new int[1];
        check(cudart.cuDriverGetVersion(version), "cuDriverGetVersion");
        return version[0];
    }

    public int runtimeVersion() {
        int[] version = new int[1];
        check(cudart.cudaRuntimeGetVersion(version), "cudaRuntimeGetVersion");
        return version[0];
    }

    /// Makes this device's context the calling thread's.
    public void attachThread() {
        check(cudart.cuCtxSetCurrent(context), "cuCtxSetCurrent");
    }

    /// Releases the context; whatever is still allocated in it goes with it.
    @Override
    public void close() {
        check(cudart.cuDevicePrimaryCtxRelease(handle), "cuDevicePrimaryCtxRelease");
    }

    // Memory.

    /// Allocates device memory, aligned to 256 bytes, of undefined content.
    public DevicePointer allocate(long bytes) {
        long[] address = new long[1];
        check(cudart.cuMemAlloc(address, bytes), "cuMemAlloc");
        return new DevicePointer(address[0]);
    }

    public void free(DevicePointer memory) {
        check(cudart.cuMemFree(memory.address()), "cuMemFree");
    }

    /// Allocates memory of the host that the device reaches too.
    @SuppressWarnings("restricted")
    public PinnedMemory pin(long bytes) {
        var memory = new NativeAddress();
        check(cudart.cuMemHostAlloc(memory, bytes, HOST_PORTABLE_MAPPED), "cuMemHostAlloc");
        long[] mapped = new long[1];
        check(cudart.cuMemHostGetDevicePointer(mapped, memory, 0), "cuMemHostGetDevicePointer");
        MemorySegment host = MemorySegment.ofAddress(memory.address()).reinterpret(bytes);
        host.fill((byte) 0);
        return new PinnedMemory(host, new DevicePointer(mapped[0]));
    }

    public void free(PinnedMemory memory) {
        check(
                cudart.cuMemFreeHost(new NativeAddress().set(memory.host().address())),
                "cuMemFreeHost");
    }

    public long freeBytes() {
        return memory(true);
    }

    public long totalBytes() {
        return memory(false);
    }

    private long memory(boolean free) {
        try (var freeBytes = new SizeTPointer(1);
                var totalBytes = new SizeTPointer(1)) {
            check(cudart.cuMemGetInfo(freeBytes, totalBytes), "cuMemGetInfo");
            return (free ? freeBytes : totalBytes).get();
        }
    }

    /// Sets `bytes` bytes to `value`, in stream order.
    public void fill(DevicePointer to, byte value, long bytes, CudaStream stream) {
        check(
                cudart.cuMemsetD8Async(to.address(), value, bytes, stream.handle()),
                "cuMemsetD8Async");
    }

    /// Copies `from` in stream order. Memory that is not pinned is read before this returns.
    public void copyToDevice(DevicePointer to, MemorySegment from, CudaStream stream) {
        requireNative(from);
        try {
            check(
                    cudart.cuMemcpyHtoDAsync(
                            to.address(),
                            stream.host(from.address()),
                            from.byteSize(),
                            stream.handle()),
                    "cuMemcpyHtoDAsync");
        } finally {
            Reference.reachabilityFence(from);
        }
    }

    /// Fills `to` in stream order. Memory that is not pinned is filled before this returns.
    public void copyToHost(MemorySegment to, DevicePointer from, CudaStream stream) {
        requireNative(to);
        try {
            check(
                    cudart.cuMemcpyDtoHAsync(
                            stream.host(to.address()),
                            from.address(),
                            to.byteSize(),
                            stream.handle()),
                    "cuMemcpyDtoHAsync");
        } finally {
            Reference.reachabilityFence(to);
        }
    }

    /// Copies within the device, in stream order; the ranges must not overlap.
    public void copy(DevicePointer to, DevicePointer from, long bytes, CudaStream stream) {
        check(
                cudart.cuMemcpyDtoDAsync(to.address(), from.address(), bytes, stream.handle()),
                "cuMemcpyDtoDAsync");
    }

    private static void requireNative(MemorySegment memory) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException(
                    "a copy needs native memory, was given %s".formatted(memory));
        }
    }

    // Streams and events.

    /// Creates a stream that never waits for the default stream.
    ///
    /// @param priority 0, or negative for one that goes before others; the device clamps it
    public CudaStream stream(int priority) {
        var stream = new CUstream_st();
        check(
                cudart.cuStreamCreateWithPriority(stream, STREAM_NON_BLOCKING, priority),
                "cuStreamCreateWithPriority");
        return new CudaStream(stream);
    }

    public void destroy(CudaStream stream) {
        check(cudart.cuStreamDestroy(stream.handle()), "cuStreamDestroy");
    }

    /// Waits until all that was enqueued has run.
    public void synchronize(CudaStream stream) {
        check(cudart.cuStreamSynchronize(stream.handle()), "cuStreamSynchronize");
    }

    /// Returns whether all that was enqueued has run.
    public boolean isIdle(CudaStream stream) {
        return errors.isReady(cudart.cuStreamQuery(stream.handle()), "cuStreamQuery");
    }

    /// Creates an event; a thread that waits for it sleeps.
    public CudaEvent event() {
        var event = new CUevent_st();
        check(
                cudart.cuEventCreate(event, EVENT_DISABLE_TIMING | EVENT_BLOCKING_SYNC),
                "cuEventCreate");
        return new CudaEvent(event);
    }

    public void destroy(CudaEvent event) {
        check(cudart.cuEventDestroy(event.handle()), "cuEventDestroy");
    }

    public void record(CudaEvent event, CudaStream stream) {
        check(cudart.cuEventRecord(event.handle(), stream.handle()), "cuEventRecord");
    }

    /// Returns whether the device has passed the point recorded last; true if none was.
    public boolean isReached(CudaEvent event) {
        return errors.isReady(cudart.cuEventQuery(event.handle()), "cuEventQuery");
    }

    /// Waits until the device has passed the point recorded last.
    public void await(CudaEvent event) {
        check(cudart.cuEventSynchronize(event.handle()), "cuEventSynchronize");
    }

    /// Lets what is enqueued to `stream` from now on wait for the point recorded last.
    public void await(CudaEvent event, CudaStream stream) {
        check(cudart.cuStreamWaitEvent(stream.handle(), event.handle(), 0), "cuStreamWaitEvent");
    }

    // Kernels.

    /// Loads machine code that [Nvrtc] compiled for this device.
    public KernelImage load(byte[] image) {
        var library = new CUlib_st();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(image.length + 1L);
            MemorySegment.copy(image, 0, bytes, ValueLayout.JAVA_BYTE, 0, image.length);
            check(
                    cudart.cuLibraryLoadData(
                            library,
                            new NativeAddress().set(bytes.address()),
                            (IntPointer) null,
                            (Pointer) null,
                            0,
                            (IntPointer) null,
                            (Pointer) null,
                            0),
                    "cuLibraryLoadData");
        }
        return new KernelImage(library);
    }

    public void unload(KernelImage image) {
        check(cudart.cuLibraryUnload(image.handle()), "cuLibraryUnload");
    }

    /// Finds a kernel and loads it to this device. A block of it may have `dynamicSharedBytes` of
    /// dynamic shared memory.
    public CudaKernel kernel(KernelImage image, String name, int dynamicSharedBytes) {
        var kernel = new CUkern_st();
        check(
                cudart.cuLibraryGetKernel(kernel, image.handle(), name),
                "cuLibraryGetKernel of " + name);
        var function = new CUfunc_st();
        check(cudart.cuKernelGetFunction(function, kernel), "cuKernelGetFunction of " + name);
        if (dynamicSharedBytes > 0) {
            check(
                    cudart.cuFuncSetAttribute(function, MAX_DYNAMIC_SHARED, dynamicSharedBytes),
                    "cuFuncSetAttribute of " + name);
        }
        return new CudaKernel(
                function,
                name,
                attribute(function, REGISTERS),
                attribute(function, STATIC_SHARED),
                attribute(function, LOCAL_BYTES),
                attribute(function, MAX_THREADS));
    }

    private int attribute(CUfunc_st function, int attribute) {
        int[] value = new int[1];
        check(cudart.cuFuncGetAttribute(value, attribute, function), "cuFuncGetAttribute");
        return value[0];
    }

    /// Enqueues a kernel; the driver copies `parameters` before this returns.
    public void launch(
            CudaKernel kernel,
            int gridX,
            int gridY,
            int gridZ,
            int threads,
            int sharedBytes,
            MemorySegment parameters,
            CudaStream stream) {
        requireNative(parameters);
        if (parameters.byteSize() > MAX_PARAMETERS) {
            throw new IllegalArgumentException(
                    "the parameters of %s take %d bytes, at most %d"
                            .formatted(kernel.name(), parameters.byteSize(), MAX_PARAMETERS));
        }
        errors.launched(kernel);
        try {
            check(
                    cudart.cuLaunchKernel(
                            kernel.handle(),
                            gridX,
                            gridY,
                            gridZ,
                            threads,
                            1,
                            1,
                            sharedBytes,
                            stream.handle(),
                            stream.parameters(parameters.address()),
                            (Pointer) null),
                    "cuLaunchKernel");
        } finally {
            Reference.reachabilityFence(parameters);
        }
    }

    private void check(int code, String function) {
        errors.check(code, function);
    }
}
