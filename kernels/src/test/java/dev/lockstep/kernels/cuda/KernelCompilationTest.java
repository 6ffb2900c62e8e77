// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Every variant of every kernel compiles with NVRTC 13.0 for every architecture, without a warning
/// and without spilled registers; registers and shared memory are those of `kernels.lock`.
///
/// The file also has a hash of what each variant was compiled from. Without `-Dlockstep.long=true`
/// a variant with the hash of the file is not compiled again, but for a random one of ten. With
/// `-Dlockstep.kernels.lock=write` the file is written instead of compared.
@Tag("processes")
final class KernelCompilationTest {
    static final List<String> ARCHITECTURES = List.of("sm_80", "sm_90a", "sm_100a", "sm_120a");
    private static final String VERSION = "13.0";
    private static final String RELEASE = VERSION + ".88";
    private static final Path SOURCES = Path.of("src/main/cuda");
    private static final Path LOCK = Path.of("src/test/cuda-emulation/kernels.lock");
    private static final String VARIANT = "# ";
    private static final int ONE_OF = 10;

    @Test
    void registersAndSharedMemoryAreThoseOfTheLock()
            throws IOException, InterruptedException, ExecutionException {
        Nvrtc nvrtc = nvrtc();
        Map<String, List<String>> locked = locked();
        boolean writes = "write".equals(System.getProperty("lockstep.kernels.lock"));
        boolean all = writes || Boolean.getBoolean("lockstep.long");
        long seed = System.nanoTime();
        System.out.println("the seed of the variants that are compiled anew is " + seed);
        var random = new Random(seed);
        var lines = new ArrayList<String>();
        lines.add("# Registers/bytes of shared memory for " + String.join(", ", ARCHITECTURES));
        int threads = Runtime.getRuntime().availableProcessors();
        try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            var compiled = new LinkedHashMap<String, Future<List<String>>>();
            for (KernelVariant variant : KernelVariant.all()) {
                String title = title(variant);
                List<String> known = locked.get(title);
                boolean chosen = random.nextInt(ONE_OF) == 0;
                compiled.put(
                        title,
                        known == null || all || chosen
                                ? executor.submit(() -> lines(nvrtc, variant))
                                : CompletableFuture.completedFuture(known));
            }
            for (Map.Entry<String, Future<List<String>>> each : compiled.entrySet()) {
                lines.add(each.getKey());
                lines.addAll(each.getValue().get());
            }
        }
        String actual = String.join("\n", lines) + "\n";
        if (writes) {
            Files.writeString(LOCK, actual);
        }
        assertEquals(
                Files.readString(LOCK),
                actual,
                "run with -Dlockstep.kernels.lock=write if the new numbers are right");
    }

    @Test
    void everyFileHasAVariant() throws IOException {
        List<String> compiled =
                KernelVariant.all().stream().map(KernelVariant::file).distinct().sorted().toList();
        assertEquals(files(), compiled);
        assertEquals(files(), KernelSources.FILES);
    }

    @Test
    void aSourceComesWithTheHeadersThatItIncludes() {
        KernelSource source = KernelSources.of("sample");
        assertEquals(
                Set.of("ls_math.cuh", "ls_types.cuh", "ls_sampling.cuh", "ls_reduce.cuh"),
                source.headers().keySet());
        assertThrows(IllegalArgumentException.class, () -> KernelSources.of("absent"));
    }

    @Test
    void aReportWithAWarningIsRefused() {
        String report =
                """
                ptxas info    : 0 bytes gmem
                ptxas info    : Compiling entry function 'b' for 'sm_80'
                ptxas info    : Function properties for b
                ptxas         .     16 bytes stack frame, 28 bytes spill stores, 20 bytes spill loads
                ptxas info    : Used 48 registers, used 1 barriers, 2080 bytes smem, 4 bytes cmem[0]
                ptxas info    : Compiling entry function 'a' for 'sm_80'
                ptxas info    : Function properties for a
                ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
                ptxas info    : Used 8 registers, used 0 barriers
                """;
        assertEquals(
                List.of(new KernelResources("a", 8, 0, 0), new KernelResources("b", 48, 2080, 64)),
                KernelResources.parse(report));
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        KernelResources.parse(
                                report + "ptxas warning : setmaxnreg ignored to maintain\n"));
    }

    /// Returns the names of all sources without their suffix, sorted.
    private static List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(SOURCES)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".cu"))
                    .map(name -> name.substring(0, name.length() - ".cu".length()))
                    .sorted()
                    .toList();
        }
    }

    /// Returns the lines of the kernels in the lock file by the title of their variant.
    private static Map<String, List<String>> locked() throws IOException {
        var locked = new HashMap<String, List<String>>();
        List<String> kernels = new ArrayList<>();
        for (String line : Files.readAllLines(LOCK)) {
            if (line.startsWith(VARIANT)) {
                kernels = locked.computeIfAbsent(line, _ -> new ArrayList<>());
            } else {
                kernels.add(line);
            }
        }
        return locked;
    }

    /// Returns the variant and a hash of all that it is compiled from, the compiler's release too.
    private static String title(KernelVariant variant) {
        KernelSource source = KernelSources.of(variant.file());
        String architectures = String.join(" ", ARCHITECTURES);
        String key = KernelCache.key(source, architectures, variant.options(), RELEASE);
        return VARIANT + variant.label() + " from " + key.substring(0, 32);
    }

    /// Returns a line for each kernel of a variant.
    private static List<String> lines(Nvrtc nvrtc, KernelVariant variant) {
        var numbers = new TreeMap<String, List<String>>();
        for (String architecture : ARCHITECTURES) {
            for (KernelResources kernel : resources(nvrtc, variant, architecture)) {
                assertEquals(
                        0,
                        kernel.localBytes(),
                        () ->
                                "%s for %s: kernel %s spills registers"
                                        .formatted(variant.label(), architecture, kernel.kernel()));
                numbers.computeIfAbsent(kernel.kernel(), _ -> new ArrayList<>())
                        .add(kernel.registers() + "/" + kernel.sharedBytes());
            }
        }
        return numbers.entrySet().stream()
                .map(each -> each.getKey() + " " + String.join(" ", each.getValue()))
                .toList();
    }

    private static List<KernelResources> resources(
            Nvrtc nvrtc, KernelVariant variant, String architecture) {
        var options = new ArrayList<>(variant.options());
        options.add("--ptxas-options=-v");
        String log = nvrtc.compile(KernelSources.of(variant.file()), architecture, options).log();
        // The text ends as C's do.
        return KernelResources.parse(log.replace("\0", ""));
    }

    /// Opens the pinned compiler, which `scripts/test` installs; another version counts other
    /// registers.
    private static Nvrtc nvrtc() {
        Path folder =
                Path.of(
                        System.getProperty("user.home"),
                        ".cache/lockstep/nvrtc-" + RELEASE + "/nvidia/cu13/lib");
        if (!Files.isDirectory(folder)) {
            String message =
                    "no NVRTC in %s: kernels are not compiled for GPUs; scripts/test installs it"
                            .formatted(folder);
            if ("true".equals(System.getenv("CI"))) {
                fail(message);
            }
            System.out.println("skipped: " + message);
            abort(message);
        }
        Nvrtc nvrtc = Nvrtc.open(LibrarySearch.only(List.of(folder)));
        assertEquals(VERSION, nvrtc.version());
        return nvrtc;
    }
}
