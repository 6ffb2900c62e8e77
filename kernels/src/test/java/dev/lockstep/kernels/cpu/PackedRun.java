// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.WeightRows;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/// A start of a worker as far as its packed weights go: what it packs, what it takes from the file,
/// and what it reports.
final class PackedRun implements AutoCloseable {
    private final MatmulOps ops;
    private final ThreadTeam team;
    private final CpuMemory memory = new CpuMemory();
    private final PackedCache cache;
    private final WeightPacker packer;
    private final AtomicInteger packs = new AtomicInteger();
    private final List<String> reports = new CopyOnWriteArrayList<>();

    /// Returns the names of the files of a folder of packed weights, but its lock.
    static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(each -> each.getFileName() + "")
                    .filter(each -> !each.equals("lock"))
                    .sorted()
                    .toList();
        }
    }

    PackedRun(PackedOptions options, MatmulOps ops, int threads) {
        this(options, ops, threads, ops.layout(), PackedOutput::toFile);
    }

    PackedRun(
            PackedOptions options,
            MatmulOps ops,
            int threads,
            PackedLayout layout,
            PackedOutput.Opener opener) {
        this.ops = counting(ops);
        team = new ThreadTeam(CpuOptions.ofThreads(threads).withoutSpinning());
        cache = new PackedCache(options, layout, memory, team, opener, reports::add);
        packer = new WeightPacker(this.ops, team, memory, Optional.of(cache));
    }

    /// Returns the packed bytes of each weight.
    List<byte[]> prepare(List<WeightRows> weights, DType compute) {
        var bytes = new ArrayList<byte[]>();
        for (WeightRows weight : weights) {
            for (CpuWeight.Segment segment : packer.pack(List.of(weight), compute).segments()) {
                bytes.add(bytes(segment, weight.columns()));
            }
        }
        return bytes;
    }

    /// Returns how often tiles were packed.
    int packs() {
        return packs.get();
    }

    List<String> reports() {
        return reports;
    }

    CpuMemory memory() {
        return memory;
    }

    PackedCache cache() {
        return cache;
    }

    void write() throws InterruptedException {
        cache.writeLater();
        cache.awaitWritten();
    }

    @Override
    public void close() {
        cache.stopWriting();
        team.close();
        cache.close();
        memory.close();
    }

    private byte[] bytes(CpuWeight.Segment segment, int columns) {
        long bytes = segment.tiles() * ops.tileBytes(segment.format(), columns, segment.skipped());
        return AllMemory.SEGMENT.asSlice(segment.address(), bytes).toArray(ValueLayout.JAVA_BYTE);
    }

    private MatmulOps counting(MatmulOps ops) {
        return (MatmulOps)
                Proxy.newProxyInstance(
                        MatmulOps.class.getClassLoader(),
                        new Class<?>[] {MatmulOps.class},
                        (_, method, arguments) -> {
                            if (method.getName().equals("pack")) {
                                packs.incrementAndGet();
                            }
                            try {
                                return method.invoke(ops, arguments);
                            } catch (InvocationTargetException failure) {
                                throw failure.getCause();
                            }
                        });
    }
}
