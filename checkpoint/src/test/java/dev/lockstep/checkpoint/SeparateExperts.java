// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntUnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// Copies folders with the experts of a layer in one tensor for all as folders with a matrix for
/// each, and back, value by value.
public final class SeparateExperts {
    private static final Pattern FUSED =
            Pattern.compile(
                    "(.*\\.)(experts\\.gate_up_proj|experts\\.down_proj|input_linear|output_linear)(_bias|\\.weight)?");

    private static final Pattern ONE =
            Pattern.compile("(.*\\.experts\\.)0\\.(gate_proj|up_proj|down_proj)\\.weight");

    /// How a tensor of all experts has the outputs of one: in rows, in columns, or in columns with
    /// those of gate and up by turns.
    public enum Form {
        ROWS,
        COLUMNS,
        ALTERNATING
    }

    private SeparateExperts() {}

    /// Writes a folder with a matrix for each expert.
    public static void write(Path source, Path target, Form form) throws IOException {
        Map<String, StoredTensor> tensors = open(source, target);
        Map<String, SafetensorsWriter.Content> written = new LinkedHashMap<>();
        tensors.forEach(
                (name, tensor) -> {
                    Matcher fused = FUSED.matcher(name);
                    boolean isBias = name.endsWith("_bias");
                    if (fused.matches() && tensor.shape().size() == (isBias ? 2 : 3)) {
                        separate(fused, tensor, form, isBias, written);
                    } else {
                        written.put(name, content(tensor));
                    }
                });
        SafetensorsWriter.write(target.resolve("model.safetensors"), written);
    }

    private static void separate(
            Matcher name,
            StoredTensor tensor,
            Form form,
            boolean isBias,
            Map<String, SafetensorsWriter.Content> written) {
        boolean down =
                name.group(2).endsWith("down_proj") || name.group(2).endsWith("output_linear");
        List<Long> shape = tensor.shape();
        int outputs = Math.toIntExact(isBias || form != Form.ROWS ? shape.getLast() : shape.get(1));
        int inputs =
                isBias ? 1 : Math.toIntExact(form == Form.ROWS ? shape.getLast() : shape.get(1));
        List<String> projections = down ? List.of("down_proj") : List.of("gate_proj", "up_proj");
        int rows = outputs / projections.size();
        for (int expert = 0; expert < shape.getFirst(); expert++) {
            for (int p = 0; p < projections.size(); p++) {
                int first = expert * outputs * inputs;
                int projection = p;
                IntUnaryOperator place =
                        i -> {
                            int row = i / inputs;
                            int output =
                                    form == Form.ALTERNATING && !down
                                            ? 2 * row + projection
                                            : projection * rows + row;
                            return first
                                    + (form == Form.ROWS || isBias
                                            ? output * inputs + i % inputs
                                            : i % inputs * outputs + output);
                        };
                List<Long> own =
                        isBias ? List.of((long) rows) : List.of((long) rows, (long) inputs);
                written.put(
                        "%sexperts.%d.%s.%s"
                                .formatted(
                                        name.group(1),
                                        expert,
                                        projections.get(p),
                                        isBias ? "bias" : "weight"),
                        gathered(tensor, own, rows * inputs, place));
            }
        }
    }

    /// Writes a folder of Qwen 3's names with one tensor for all experts.
    ///
    /// @param form [Form#ROWS] or [Form#COLUMNS]
    public static void fuse(Path source, Path target, Form form) throws IOException {
        Map<String, StoredTensor> tensors = open(source, target);
        Map<String, SafetensorsWriter.Content> written = new LinkedHashMap<>();
        tensors.forEach(
                (name, tensor) -> {
                    Matcher one = ONE.matcher(name);
                    if (one.matches() && !one.group(2).equals("up_proj")) {
                        boolean down = one.group(2).equals("down_proj");
                        written.put(
                                one.group(1) + (down ? "down_proj" : "gate_up_proj"),
                                fused(tensors, one.group(1), down, form));
                    } else if (!name.contains(".experts.")) {
                        written.put(name, content(tensor));
                    }
                });
        SafetensorsWriter.write(target.resolve("model.safetensors"), written);
    }

    private static SafetensorsWriter.Content fused(
            Map<String, StoredTensor> tensors, String prefix, boolean down, Form form) {
        List<String> projections = down ? List.of("down_proj") : List.of("gate_proj", "up_proj");
        StoredTensor one = tensor(tensors, prefix + "0." + projections.getFirst());
        int rows = Math.toIntExact(one.shape().getFirst());
        int inputs = Math.toIntExact(one.shape().getLast());
        int outputs = rows * projections.size();
        int experts = 0;
        while (tensors.containsKey(prefix + experts + ".down_proj.weight")) {
            experts++;
        }
        int width = one.type().orElseThrow().blockBytes();
        byte[] values = new byte[experts * outputs * inputs * width];
        for (int expert = 0; expert < experts; expert++) {
            for (int p = 0; p < projections.size(); p++) {
                byte[] own =
                        content(tensor(tensors, prefix + expert + "." + projections.get(p)))
                                .bytes();
                for (int i = 0; i < rows * inputs; i++) {
                    int output = p * rows + i / inputs;
                    int at =
                            expert * outputs * inputs
                                    + (form == Form.ROWS
                                            ? output * inputs + i % inputs
                                            : i % inputs * outputs + output);
                    System.arraycopy(own, i * width, values, at * width, width);
                }
            }
        }
        return new SafetensorsWriter.Content(
                one.typeName(),
                form == Form.ROWS
                        ? List.of((long) experts, (long) outputs, (long) inputs)
                        : List.of((long) experts, (long) inputs, (long) outputs),
                values);
    }

    private static StoredTensor tensor(Map<String, StoredTensor> tensors, String module) {
        return Objects.requireNonNull(tensors.get(module + ".weight"), module);
    }

    private static SafetensorsWriter.Content gathered(
            StoredTensor tensor, List<Long> shape, int count, IntUnaryOperator place) {
        int width = tensor.type().orElseThrow().blockBytes();
        byte[] all = tensor.data().toArray(ValueLayout.JAVA_BYTE);
        byte[] values = new byte[count * width];
        for (int i = 0; i < count; i++) {
            System.arraycopy(all, place.applyAsInt(i) * width, values, i * width, width);
        }
        return new SafetensorsWriter.Content(tensor.typeName(), shape, values);
    }

    private static SafetensorsWriter.Content content(StoredTensor tensor) {
        return new SafetensorsWriter.Content(
                tensor.typeName(), tensor.shape(), tensor.data().toArray(ValueLayout.JAVA_BYTE));
    }

    /// Creates the target with all files but the weights.
    private static Map<String, StoredTensor> open(Path source, Path target) throws IOException {
        Files.createDirectories(target);
        try (Stream<Path> files = Files.list(source)) {
            for (Path each : files.filter(Files::isRegularFile).toList()) {
                if (!each.endsWith("model.safetensors")) {
                    Files.copy(each, target.resolve(each.getFileName()));
                }
            }
        }
        return SafetensorsFile.open(source.resolve("model.safetensors")).tensors();
    }
}
