// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.cuda.Cuda;
import dev.lockstep.kernels.cuda.CudaGraph;
import dev.lockstep.kernels.cuda.CudaStream;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import dev.lockstep.kernels.cuda.PinnedMemory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/// One rank of an emulated NCCL communicator, in a process of its own; it prints what it gets.
final class NcclProcess implements AutoCloseable {
    private static final int ELEMENTS = 50_000;

    private final Process process;

    private NcclProcess(Process process) {
        this.process = process;
    }

    static NcclProcess fork(
            String scenario, byte[] id, int ranks, int rank, Map<String, String> environment)
            throws IOException {
        ProcessBuilder builder =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-Xmx128m",
                                "-cp",
                                System.getProperty("java.class.path"),
                                NcclProcess.class.getName(),
                                scenario,
                                HexFormat.of().formatHex(id),
                                Integer.toString(ranks),
                                Integer.toString(rank))
                        .redirectErrorStream(true);
        builder.environment().putAll(environment);
        return new NcclProcess(builder.start());
    }

    /// Returns all that it prints; the lines of a log are left out.
    List<String> await() throws InterruptedException {
        var lines = new ArrayList<String>();
        try (BufferedReader reader = process.inputReader()) {
            reader.lines()
                    .filter(line -> !line.contains(" INFO ") && !line.startsWith("WARNING"))
                    .forEach(lines::add);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
        process.waitFor();
        return lines;
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    // What the forked JVM runs.

    public static void main(String[] arguments) throws Exception {
        byte[] id = HexFormat.of().parseHex(arguments[1]);
        int ranks = Integer.parseInt(arguments[2]);
        int rank = Integer.parseInt(arguments[3]);
        run(arguments[0], id, ranks, rank, System.out::println);
        System.exit(0);
    }

    /// Runs a rank on the calling thread. A failure is told as a line, and what waits is aborted.
    static void run(String scenario, byte[] id, int ranks, int rank, Consumer<String> out)
            throws InterruptedException {
        Cuda cuda = EmulatedCuda.open(scenario.equals("shared") ? 0 : rank);
        CudaStream stream = cuda.stream(0);
        Nccl nccl = Nccl.begin(cuda, id, ranks, rank);
        try {
            awaitReady(nccl);
            var own = new Rank(cuda, stream, nccl, ranks, rank, out);
            switch (scenario) {
                case "collectives", "shared" -> own.collectives();
                case "abort" -> own.abort();
                case "impatient" -> own.impatient();
                case "mismatch" -> own.mismatch();
                default -> throw new IllegalArgumentException(scenario);
            }
        } catch (NcclException failure) {
            out.accept(String.valueOf(failure.getMessage()));
        }
        nccl.abort();
        cuda.synchronize(stream);
        cuda.destroy(stream);
        cuda.close();
    }

    private static void awaitReady(Nccl nccl) throws InterruptedException {
        while (!nccl.isReady()) {
            Thread.sleep(1);
        }
    }

    private record Rank(
            Cuda cuda, CudaStream stream, Nccl nccl, int ranks, int rank, Consumer<String> out) {

        /// Sums, eager and by a graph, broadcasts, and gathers uneven parts on rank 0.
        void collectives() throws InterruptedException {
            out.accept("version " + Nccl.version());
            sums(DType.F32);
            DevicePointer memory = floats(rank + 1);
            await(nccl.broadcast(memory, ELEMENTS * 4L, ranks - 1, stream));
            out.accept("broadcast " + Arrays.toString(ends(memory)));
            gather();
            cuda.graphs().beginCapture(stream);
            await(nccl.allReduceSum(memory, memory, ELEMENTS, DType.F32, stream));
            await(nccl.broadcast(memory, 4, 0, stream));
            CudaGraph graph = cuda.graphs().endCapture(stream);
            cuda.graphs().launch(graph, stream);
            cuda.graphs().launch(graph, stream);
            out.accept("graph " + Arrays.toString(ends(memory)));
            cuda.graphs().destroy(graph);
            nccl.finish();
            awaitReady(nccl);
            nccl.destroy();
            nccl.destroy();
            out.accept("done");
        }

        private void sums(DType type) throws InterruptedException {
            DevicePointer memory = floats(rank + 0.5f);
            await(nccl.allReduceSum(memory, memory, ELEMENTS, type, stream));
            out.accept("sum " + Arrays.toString(ends(memory)));
        }

        private void gather() throws InterruptedException {
            DevicePointer part = floats(10 + rank);
            DevicePointer all = floats(0);
            nccl.beginGroup();
            if (rank == 0) {
                for (int peer = 1; peer < ranks; peer++) {
                    nccl.receive(all.plus(4L * bytes(peer)), bytes(peer), peer, stream);
                }
            } else {
                nccl.send(part, bytes(rank), 0, stream);
            }
            await(nccl.endGroup());
            if (rank == 0) {
                float[] values = values(all);
                var got = new ArrayList<Float>();
                for (int peer = 1; peer < ranks; peer++) {
                    int first = bytes(peer);
                    got.add(values[first]);
                    got.add(values[first + bytes(peer) / 4 - 1]);
                    got.add(values[first + bytes(peer) / 4]);
                }
                out.accept("gathered " + got);
            }
        }

        private static int bytes(int peer) {
            return 4 * 1000 * peer;
        }

        /// Waits in a sum that the other ranks never call, and aborts it.
        void abort() throws InterruptedException {
            DevicePointer memory = floats(1);
            await(nccl.allReduceSum(memory, memory, ELEMENTS, DType.F32, stream));
            cuda.synchronize(stream);
            if (rank == 0) {
                await(nccl.allReduceSum(memory, memory, ELEMENTS, DType.F32, stream));
                out.accept("idle " + cuda.isIdle(stream));
                nccl.abort();
                cuda.synchronize(stream);
                out.accept("ended " + values(memory).length);
            }
        }

        /// Calls a collective before the first is done.
        void impatient() {
            DevicePointer memory = floats(1);
            out.accept("done " + nccl.allReduceSum(memory, memory, ELEMENTS, DType.F32, stream));
            nccl.allReduceSum(memory, memory, ELEMENTS, DType.F32, stream);
        }

        /// Calls a sum of other elements than the other rank, and asks until that shows.
        void mismatch() throws InterruptedException {
            DevicePointer memory = floats(1);
            nccl.allReduceSum(memory, memory, ELEMENTS - rank, DType.F32, stream);
            while (true) {
                nccl.isReady();
                cuda.isIdle(stream);
                Thread.sleep(1);
            }
        }

        private void await(boolean done) throws InterruptedException {
            if (!done) {
                awaitReady(nccl);
            }
        }

        private DevicePointer floats(float value) {
            PinnedMemory host = cuda.pin(ELEMENTS * 4L);
            for (int i = 0; i < ELEMENTS; i++) {
                host.host().setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
            }
            DevicePointer memory = cuda.allocate(ELEMENTS * 4L);
            cuda.copyToDevice(memory, host.host(), stream);
            cuda.synchronize(stream);
            return memory;
        }

        private float[] values(DevicePointer memory) {
            PinnedMemory host = cuda.pin(ELEMENTS * 4L);
            cuda.copyToHost(host.host(), memory, stream);
            cuda.synchronize(stream);
            return host.host().toArray(ValueLayout.JAVA_FLOAT);
        }

        private float[] ends(DevicePointer memory) {
            float[] values = values(memory);
            return new float[] {values[0], values[ELEMENTS - 1]};
        }
    }
}
