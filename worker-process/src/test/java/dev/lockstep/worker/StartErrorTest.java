// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.cuda.Cuda;
import dev.lockstep.kernels.cuda.CudaException;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import dev.lockstep.kernels.cuda.KernelCompileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// An error of any one native call between the search of a GPU and the count of KV blocks ends the
/// start with a failure that names it, and leaves nothing behind.
@Tag("processes")
@Timeout(value = 60, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class StartErrorTest {
    private static final int INVALID = 1;
    private static final int ILLEGAL_ADDRESS = 700;

    /// Functions whose error a start survives: one has no status, one comes after the program is
    /// compiled, and an error of a question whether an event has come is found by the wait that
    /// follows; how often that is asked differs from run to run.
    private static final Set<String> HARMLESS =
            Set.of("cublasLtGetVersion", "nvrtcDestroyProgram", "cuEventQuery");

    /// Functions that are called for every device of the host; the first one is used.
    private static final Set<String> OF_EVERY_DEVICE =
            Set.of(
                    "cuDeviceGet",
                    "cuDeviceGetName",
                    "cuDeviceGetUuid_v2",
                    "cuDeviceTotalMem_v2",
                    "cuDeviceGetAttribute");

    /// Functions that are called before there is a context that an error could break.
    private static final Set<String> WITHOUT_CONTEXT =
            Set.of(
                    "cuInit",
                    "cuDriverGetVersion",
                    "cuDeviceGetCount",
                    "cuDeviceGet",
                    "cuDeviceGetName",
                    "cuDeviceGetUuid_v2",
                    "cuDeviceTotalMem_v2",
                    "cuDeviceGetAttribute",
                    "cuDevicePrimaryCtxRetain",
                    "cuDevicePrimaryCtxRelease_v2",
                    "cuCtxSetCurrent");

    @TempDir Path folder;
    private Path model;
    private Path cache;

    @BeforeEach
    void write() throws IOException {
        model = Files.createDirectory(folder.resolve("model"));
        cache = Files.createDirectory(folder.resolve("cache"));
        TinyCheckpoint.write(model, 7);
        // Bytedeco's glue stays where a process has put it first.
        EmulatedCuda.open().close();
    }

    @Test
    void anErrorOfAnyCallIsNamedAndLeavesNothing() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (NativeCall call : calls(false)) {
            if (call.library() == CudaLibrary.NVRTC) {
                forgetKernels();
            }
            Optional<RuntimeException> failure = failure(call, INVALID);
            if (failure.isEmpty() && !isHarmless(call)) {
                wrong.add(call + " did no harm");
            }
            failure.filter(each -> !isNamed(each, call, INVALID))
                    .ifPresent(each -> wrong.add(call + " ended with " + each));
            assertNothingIsLeft(call);
        }
        assertEquals(List.of(), wrong);
        load().close();
    }

    /// The process ends with the code of a lost device: a new one may work.
    @Test
    void aDeviceThatIsLostIsReportedAsLost() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (NativeCall call : calls(true)) {
            if (call.library() != CudaLibrary.DRIVER || WITHOUT_CONTEXT.contains(call.function())) {
                continue;
            }
            Optional<RuntimeException> failure = failure(call, ILLEGAL_ADDRESS);
            EmulatedCuda.renew();
            boolean lost =
                    failure.filter(DeviceLostException.class::isInstance)
                            .filter(each -> (each.getMessage() + "").contains("(700)"))
                            .isPresent();
            // Memory that a lost device cannot free is lost with it: the next call finds out.
            if (!lost && !call.function().equals("cuMemFree_v2")) {
                wrong.add(call + " ended with " + failure);
            }
            assertNothingIsLeft(call);
        }
        assertEquals(List.of(), wrong);
        load().close();
    }

    /// Returns a sample of the calls of a start whose kernels are to be compiled.
    private List<NativeCall> calls(boolean once) {
        load().close();
        forgetKernels();
        NativeCall.Counts before = NativeCall.Counts.now();
        LoadedRank loaded = load();
        NativeCall.Counts after = NativeCall.Counts.now();
        loaded.close();
        return once ? before.onceEach(after, 11) : before.sample(after, 11);
    }

    private LoadedRank load() {
        return EmulatedRank.load(model, cache, 0, 1, EmulatedRank.SMALL);
    }

    /// Returns what a start throws in which a call fails.
    private Optional<RuntimeException> failure(NativeCall call, int code) {
        Optional<LoadedRank> loaded = Optional.empty();
        call.fail(code);
        try {
            loaded = Optional.of(load());
            return Optional.empty();
        } catch (RuntimeException failure) {
            return Optional.of(failure);
        } finally {
            call.heal();
            loaded.ifPresent(LoadedRank::close);
        }
    }

    private static boolean isHarmless(NativeCall call) {
        return HARMLESS.contains(call.function())
                || (OF_EVERY_DEVICE.contains(call.function()) && call.number() > 1);
    }

    private static boolean isNamed(RuntimeException failure, NativeCall call, int code) {
        String message = failure.getMessage() + "";
        return switch (failure) {
            case CudaUnavailableException _, CudaException _ ->
                    message.contains(call.name()) && message.contains(Integer.toString(code));
            case KernelCompileException _ -> call.function().equals("nvrtcCompileProgram");
            default -> false;
        };
    }

    private void assertNothingIsLeft(NativeCall call) throws IOException {
        try (Cuda cuda = EmulatedCuda.open()) {
            assertEquals(cuda.totalBytes(), cuda.freeBytes(), "after " + call);
        }
        try (Stream<Path> files = Files.list(cache.resolve("kernels"))) {
            assertFalse(
                    files.anyMatch(each -> each.getFileName().toString().startsWith("fresh")),
                    "after " + call);
        }
    }

    private void forgetKernels() {
        try (Stream<Path> files = Files.list(cache.resolve("kernels"))) {
            for (Path each : files.toList()) {
                Files.delete(each);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        assertTrue(Files.isDirectory(cache));
    }
}
