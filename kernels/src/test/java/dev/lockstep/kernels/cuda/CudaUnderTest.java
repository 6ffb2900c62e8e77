// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/// The devices of tests with the tag `gpu`: contract and golden tests, which run on emulated
/// devices, and on the GPUs of a machine with `-Dlockstep.cuda=device`.
///
/// On a machine's GPUs the libraries come from its own search, or from the folders of
/// `-Dlockstep.cuda.libraries`, and compiled kernels go to the folder of `-Dlockstep.cuda.cache`.
public final class CudaUnderTest {
    private static final String EMULATED = "emulated";
    // Nothing works in it there, and a test opens many devices.
    private static final long SMALL_WORKSPACE = 1 << 12;

    private CudaUnderTest() {}

    /// Returns whether tests run on emulated devices, of which the environment chooses the number
    /// and the faults.
    public static boolean isEmulated() {
        String devices = System.getProperty("lockstep.cuda", EMULATED);
        return switch (devices) {
            case EMULATED -> true;
            case "device" -> false;
            default ->
                    throw new IllegalArgumentException(
                            "lockstep.cuda is %s, must be emulated or device".formatted(devices));
        };
    }

    public static LibrarySearch search() {
        return isEmulated()
                ? EmulatedCuda.search()
                : LibrarySearch.of(
                        LibrarySearch.parse(System.getProperty("lockstep.cuda.libraries", "")));
    }

    /// Returns the folder of compiled kernels and of Bytedeco's glue.
    public static Path cache() {
        return isEmulated()
                ? EmulatedCuda.folder().resolve("bytedeco")
                : Path.of(System.getProperty("lockstep.cuda.cache", "target/cuda-cache"))
                        .toAbsolutePath();
    }

    /// Returns options for a device, with NCCL where it is found.
    public static CudaOptions options(int ordinal, DType compute) {
        LibrarySearch search = search();
        boolean nccl = search.find(CudaLibrary.NCCL).isPresent();
        return isEmulated()
                ? new CudaOptions(ordinal, compute, search, cache(), nccl, SMALL_WORKSPACE)
                : new CudaOptions(ordinal, compute, search, cache(), nccl);
    }

    /// Opens the device of a rank. Where there are fewer devices than ranks, these share them.
    public static CudaKernels open(int rank, DType compute) {
        return CudaKernels.open(options(rank % devices(), compute));
    }

    /// Opens the first device.
    public static CudaKernels open(DType compute) {
        return open(0, compute);
    }

    public static int devices() {
        CudaProbe probe = CudaProbe.run(search());
        probe.require(0);
        return probe.devices().size();
    }

    /// Skips a test whose ranks are threads of this process, visibly, where NCCL refuses them: each
    /// needs a device of its own, or two may share one where the environment allows it.
    public static void assumeRanks(int ranks) {
        int devices = devices();
        if (devices < ranks && !(ranks == 2 && sharesDevices())) {
            skip("%d ranks in a process with %d GPU(s), which NCCL refuses", ranks, devices);
        }
    }

    /// Skips a test whose ranks are processes, visibly, where NCCL refuses them: two ranks may
    /// always share a device, see [#rankEnvironment].
    public static void assumeRankProcesses(int ranks) {
        int devices = devices();
        if (devices < ranks && ranks != 2) {
            skip("%d ranks with %d GPU(s): no more than two can share one", ranks, devices);
        }
    }

    /// Returns the variables of the process of a rank. Where devices are fewer than ranks and NCCL
    /// does not let ranks share one, each gets the name of a host of its own: NCCL then takes their
    /// device for two and connects them by sockets.
    public static Map<String, String> rankEnvironment(int rank, int ranks) {
        return devices() >= ranks || sharesDevices()
                ? Map.of()
                : Map.of(
                        "NCCL_HOSTID", "lockstep-rank-" + rank,
                        "NCCL_NET", "Socket",
                        "NCCL_MNNVL_ENABLE", "0");
    }

    private static boolean sharesDevices() {
        return "1".equals(System.getenv("NCCL_MULTI_RANK_GPU_ENABLE"));
    }

    private static void skip(String reason, int ranks, int devices) {
        String line = "skipped: " + reason.formatted(ranks, devices);
        System.out.println(line);
        Assumptions.abort(line);
    }

    /// Returns the JVM options with which a process that a test forks has the same devices.
    public static List<String> jvmOptions() {
        return Stream.of("lockstep.cuda", "lockstep.cuda.libraries", "lockstep.cuda.cache")
                .filter(name -> System.getProperty(name) != null)
                .map(name -> "-D%s=%s".formatted(name, System.getProperty(name)))
                .toList();
    }
}
