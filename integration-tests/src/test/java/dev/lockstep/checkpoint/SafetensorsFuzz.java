// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import dev.lockstep.it.fuzz.Bounds;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Map;

/// Fuzz target of the safetensors reader: any bytes are read or refused in one line.
public final class SafetensorsFuzz {
    /// A header of one-digit keys with empty values needs most: a tree node and a map entry for
    /// about five bytes.
    private static final Bounds BOUNDS = new Bounds(1 << 18, 256);

    private static final Path PATH = Path.of("model.safetensors");

    private SafetensorsFuzz() {}

    /// Called by Jazzer.
    public static void fuzzerTestOneInput(byte[] input) {
        BOUNDS.check(input, SafetensorsFuzz::read);
    }

    private static void read(byte[] input) {
        try {
            Map<String, StoredTensor> tensors =
                    SafetensorsFile.read(new MappedFile(PATH, MemorySegment.ofArray(input)))
                            .tensors();
            tensors.forEach(
                    (name, tensor) -> {
                        if (tensor.type().isPresent()) {
                            tensor.weight(name);
                        }
                    });
        } catch (CheckpointException refused) {
            Bounds.requireOneLine(refused);
        }
    }
}
