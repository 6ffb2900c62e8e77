// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import com.google.common.base.Splitter;
import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What `lockstep devices` found, in lines of words between tabs: the launcher reads them.
public final class ProbeLines {
    private static final String STEP = "step";
    private static final String GPU = "gpu";
    private static final String PROBLEM = "problem";
    private static final String END = "end";
    private static final int GPU_WORDS = 10;

    private ProbeLines() {}

    public static List<String> write(CudaProbe probe) {
        List<String> lines = new ArrayList<>();
        probe.steps().forEach(step -> lines.add(line(STEP, step.what(), step.found())));
        for (CudaDevice gpu : probe.devices()) {
            lines.add(
                    line(
                            GPU,
                            gpu.ordinal(),
                            gpu.name(),
                            gpu.uuid(),
                            gpu.major(),
                            gpu.minor(),
                            gpu.multiprocessors(),
                            gpu.sharedBytes(),
                            gpu.l2Bytes(),
                            gpu.memoryBytes()));
        }
        probe.problem()
                .ifPresent(
                        problem -> lines.add(line(PROBLEM, problem.missing(), problem.remedy())));
        lines.add(END);
        return lines;
    }

    /// Reads the lines; empty if they are not all there.
    static Optional<CudaProbe> read(List<String> lines) {
        List<CudaProbe.Step> steps = new ArrayList<>();
        List<CudaDevice> devices = new ArrayList<>();
        Optional<CudaUnavailableException> problem = Optional.empty();
        for (String line : lines) {
            List<String> words = Splitter.on('\t').splitToList(line);
            switch (words.getFirst()) {
                case STEP -> steps.add(new CudaProbe.Step(words.get(1), words.get(2)));
                case GPU -> devices.add(gpu(words));
                case PROBLEM ->
                        problem =
                                Optional.of(
                                        new CudaUnavailableException(words.get(1), words.get(2)));
                case END -> {
                    return Optional.of(new CudaProbe(steps, devices, problem));
                }
                default -> {
                    // A driver may print to standard output.
                }
            }
        }
        return Optional.empty();
    }

    private static CudaDevice gpu(List<String> words) {
        if (words.size() != GPU_WORDS) {
            throw new IllegalArgumentException("a GPU in %d words".formatted(words.size()));
        }
        return new CudaDevice(
                Integer.parseInt(words.get(1)),
                words.get(2),
                words.get(3),
                Integer.parseInt(words.get(4)),
                Integer.parseInt(words.get(5)),
                Integer.parseInt(words.get(6)),
                Integer.parseInt(words.get(7)),
                Integer.parseInt(words.get(8)),
                Long.parseLong(words.get(9)));
    }

    private static String line(Object... words) {
        List<String> clean = new ArrayList<>();
        for (Object word : words) {
            clean.add(word.toString().replaceAll("\\s+", " "));
        }
        return String.join("\t", clean);
    }
}
