// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.bytedeco.cuda.global.nccl.ncclAllReduce;
import static org.bytedeco.cuda.global.nccl.ncclBroadcast;
import static org.bytedeco.cuda.global.nccl.ncclCommAbort;
import static org.bytedeco.cuda.global.nccl.ncclCommDestroy;
import static org.bytedeco.cuda.global.nccl.ncclCommFinalize;
import static org.bytedeco.cuda.global.nccl.ncclCommGetAsyncError;
import static org.bytedeco.cuda.global.nccl.ncclCommInitRankConfig;
import static org.bytedeco.cuda.global.nccl.ncclGetErrorString;
import static org.bytedeco.cuda.global.nccl.ncclGetLastError;
import static org.bytedeco.cuda.global.nccl.ncclGetUniqueId;
import static org.bytedeco.cuda.global.nccl.ncclGetVersion;
import static org.bytedeco.cuda.global.nccl.ncclGroupEnd;
import static org.bytedeco.cuda.global.nccl.ncclGroupStart;
import static org.bytedeco.cuda.global.nccl.ncclRecv;
import static org.bytedeco.cuda.global.nccl.ncclSend;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.cuda.Cuda;
import dev.lockstep.kernels.cuda.CudaStream;
import dev.lockstep.kernels.cuda.NativeAddress;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclConfig_t;
import org.bytedeco.cuda.nccl.ncclUniqueId;
import org.bytedeco.javacpp.BytePointer;
import org.jspecify.annotations.Nullable;

/// NCCL's calls of one rank. Nothing blocks: a call may return while it is still in progress, and
/// [#isReady] tells when it no longer is; nothing may be enqueued before that.
///
/// One thread enqueues. Any thread may ask for errors or abort, except that nobody calls after
/// [#abort] or [#destroy] began; whoever shares this between threads sees to it.
public final class Nccl {
    /// The bytes of a unique id.
    public static final int ID_BYTES = 128;

    private static final int SUCCESS = 0;
    private static final int IN_PROGRESS = 7;
    private static final int SUM = 0;
    private static final int BYTE = 0;
    private static final int I32 = 2;
    private static final int F16 = 6;
    private static final int F32 = 7;
    private static final int BF16 = 9;

    private final ncclComm communicator = new ncclComm();
    private final NativeAddress from = new NativeAddress();
    private final NativeAddress to = new NativeAddress();
    private final AtomicBoolean ended = new AtomicBoolean();

    private Nccl() {}

    /// Returns the library's version: 22703 is 2.27.3.
    public static int version() {
        int[] version = new int[1];
        check(ncclGetVersion(version), "ncclGetVersion", null);
        return version[0];
    }

    /// Makes an id that the ranks of one communicator share; it names this host and a port, so it
    /// goes only to them.
    public static byte[] uniqueId() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(ID_BYTES, Long.BYTES);
            check(ncclGetUniqueId(id(bytes)), "ncclGetUniqueId", null);
            return bytes.toArray(JAVA_BYTE);
        }
    }

    /// Begins to connect this rank with the others; [#isReady] tells when it is done. The calling
    /// thread is attached to the device.
    public static Nccl begin(Cuda cuda, byte[] id, int ranks, int rank) {
        if (id.length != ID_BYTES) {
            throw new IllegalArgumentException(
                    "the id has %d bytes, must have %d".formatted(id.length, ID_BYTES));
        }
        if (rank < 0 || rank >= ranks) {
            throw new IllegalArgumentException("rank %d of %d".formatted(rank, ranks));
        }
        var nccl = new Nccl();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(ID_BYTES, Long.BYTES);
            MemorySegment.copy(id, 0, bytes, JAVA_BYTE, 0, ID_BYTES);
            checkProgress(
                    ncclCommInitRankConfig(
                            nccl.communicator, ranks, id(bytes), rank, config(arena)),
                    "ncclCommInitRankConfig",
                    null);
        }
        cuda.libraries().requireOneCopyEach();
        return nccl;
    }

    /// Returns whether what was called last is done; throws if the communicator has failed.
    public boolean isReady() {
        int[] state = new int[1];
        check(ncclCommGetAsyncError(communicator, state), "ncclCommGetAsyncError", communicator);
        return checkProgress(state[0], "NCCL", communicator);
    }

    /// Adds `elements` elements over the ranks, in stream order; `to` may be `from`. Like the other
    /// collectives it returns whether it was enqueued already; if not, [#isReady] tells when it is.
    public boolean allReduceSum(
            DevicePointer from, DevicePointer to, long elements, DType type, CudaStream stream) {
        return checkProgress(
                ncclAllReduce(
                        this.from.set(from.address()),
                        this.to.set(to.address()),
                        elements,
                        code(type),
                        SUM,
                        communicator,
                        stream.handle()),
                "ncclAllReduce",
                communicator);
    }

    /// Copies the root's `bytes` bytes to every rank, in stream order and in place.
    public boolean broadcast(DevicePointer memory, long bytes, int root, CudaStream stream) {
        return checkProgress(
                ncclBroadcast(
                        from.set(memory.address()),
                        to.set(memory.address()),
                        bytes,
                        BYTE,
                        root,
                        communicator,
                        stream.handle()),
                "ncclBroadcast",
                communicator);
    }

    /// Sends `bytes` bytes to a rank that receives as many.
    public boolean send(DevicePointer from, long bytes, int peer, CudaStream stream) {
        return checkProgress(
                ncclSend(
                        this.from.set(from.address()),
                        bytes,
                        BYTE,
                        peer,
                        communicator,
                        stream.handle()),
                "ncclSend",
                communicator);
    }

    public boolean receive(DevicePointer to, long bytes, int peer, CudaStream stream) {
        return checkProgress(
                ncclRecv(
                        this.to.set(to.address()),
                        bytes,
                        BYTE,
                        peer,
                        communicator,
                        stream.handle()),
                "ncclRecv",
                communicator);
    }

    /// Begins a group: its sends and receives run together, so their order does not matter.
    public void beginGroup() {
        check(ncclGroupStart(), "ncclGroupStart", communicator);
    }

    public boolean endGroup() {
        return checkProgress(ncclGroupEnd(), "ncclGroupEnd", communicator);
    }

    /// Lets every collective that waits end, with undefined results, and frees the communicator.
    /// Does nothing if it has ended already.
    public void abort() {
        if (ended.compareAndSet(false, true)) {
            checkProgress(ncclCommAbort(communicator), "ncclCommAbort", null);
        }
    }

    /// Begins to end a communicator that nothing waits in; [#isReady] tells when [#destroy] may
    /// follow.
    public void finish() {
        checkProgress(ncclCommFinalize(communicator), "ncclCommFinalize", communicator);
    }

    /// Frees the communicator. Graphs that hold collectives of it are destroyed before.
    public void destroy() {
        if (ended.compareAndSet(false, true)) {
            checkProgress(ncclCommDestroy(communicator), "ncclCommDestroy", null);
        }
    }

    /// Fills the config of NCCL 2.27, which every later version reads too. Bytedeco's is zeroed,
    /// and zero is a value: what is not set has the number that means so.
    private static ncclConfig_t config(Arena arena) {
        int undefined = Integer.MIN_VALUE;
        int bytes = 72;
        MemorySegment config = arena.allocate(bytes, Long.BYTES);
        config.set(JAVA_LONG, 0, bytes);
        config.set(JAVA_INT, 8, 0xcafebeef);
        config.set(JAVA_INT, 12, 22700);
        int blocking = 16;
        int cgaClusterSize = 20;
        int minCtas = 24;
        int maxCtas = 28;
        long netName = 32;
        int splitShare = 40;
        int trafficClass = 44;
        long commName = 48;
        int collnetEnable = 56;
        int ctaPolicy = 60;
        int shrinkShare = 64;
        int nvlsCtas = 68;
        config.set(JAVA_INT, blocking, 0);
        for (int field :
                new int[] {
                    cgaClusterSize,
                    minCtas,
                    maxCtas,
                    splitShare,
                    trafficClass,
                    collnetEnable,
                    ctaPolicy,
                    shrinkShare,
                    nvlsCtas
                }) {
            config.set(JAVA_INT, field, undefined);
        }
        config.set(JAVA_LONG, netName, 0);
        config.set(JAVA_LONG, commName, 0);
        return new ncclConfig_t(new NativeAddress().set(config.address()));
    }

    private static ncclUniqueId id(MemorySegment bytes) {
        return new ncclUniqueId(new NativeAddress().set(bytes.address()));
    }

    /// Returns whether the call is done, which it need not be for it to be right.
    private static boolean checkProgress(
            int code, String function, @Nullable ncclComm communicator) {
        if (code == IN_PROGRESS) {
            return false;
        }
        check(code, function, communicator);
        return true;
    }

    private static void check(int code, String function, @Nullable ncclComm communicator) {
        if (code != SUCCESS) {
            throw new NcclException(
                    function,
                    code,
                    string(ncclGetErrorString(code)),
                    communicator == null ? "" : string(ncclGetLastError(communicator)));
        }
    }

    private static String string(@Nullable BytePointer text) {
        return text == null || text.isNull() ? "" : text.getString();
    }

    private static int code(DType type) {
        return switch (type) {
            case F32 -> F32;
            case F16 -> F16;
            case BF16 -> BF16;
            case I32 -> I32;
            case I8, FP8 -> BYTE;
        };
    }
}
