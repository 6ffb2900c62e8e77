// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.lockstep.checkpoint.GgufGrid;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The CUDA sources of this build.
final class KernelSources {
    /// Every `.cu` file, without its suffix.
    static final List<String> FILES =
            List.of(
                    "activate",
                    "activate_multiply",
                    "add",
                    "add_gated",
                    "add_rms_norm",
                    "advance",
                    "attend",
                    "attention_plan",
                    "clear",
                    "convolve",
                    "copy",
                    "copy_blocks",
                    "decay",
                    "decode_rows",
                    "embed",
                    "experts",
                    "gather_rows",
                    "layer_norm",
                    "linear_attention",
                    "multiply",
                    "normalize_by_sums",
                    "residuals",
                    "rms_norm",
                    "rms_norm_heads",
                    "rotate_and_store",
                    "sample",
                    "sampler",
                    "scale",
                    "scale_rows",
                    "scatter",
                    "soft_cap",
                    "square_sums",
                    "xielu");

    private static final String FOLDER = "/cuda/";

    /// Made of the grids of the checkpoint module, which no folder has as CUDA.
    private static final String GRIDS = "ls_grids.cuh";

    private static final Pattern INCLUDE = Pattern.compile("(?m)^#include \"([^\"]+)\"");
    private static final int DIGEST_CHARACTERS = 16;

    private KernelSources() {}

    /// Returns a file, named without its suffix, with the headers that it includes.
    static KernelSource of(String file) {
        String name = file + ".cu";
        String text = read(name);
        var headers = new TreeMap<String, String>();
        include(text, headers);
        return new KernelSource(name, text, headers);
    }

    /// Returns a digest of all files: kernels of equal ones give equal bits.
    static String digest() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            var all = new TreeMap<String, String>();
            for (String file : FILES) {
                KernelSource source = of(file);
                all.put(source.name(), source.text());
                all.putAll(source.headers());
            }
            for (Map.Entry<String, String> each : all.entrySet()) {
                digest.update((each.getKey() + "\0" + each.getValue() + "\0").getBytes(UTF_8));
            }
            return HexFormat.of().formatHex(digest.digest()).substring(0, DIGEST_CHARACTERS);
        } catch (NoSuchAlgorithmException failure) {
            throw new IllegalStateException("every JDK has SHA-256", failure);
        }
    }

    private static void include(String text, Map<String, String> headers) {
        Matcher includes = INCLUDE.matcher(text);
        while (includes.find()) {
            String header = includes.group(1);
            if (!headers.containsKey(header)) {
                String content = header.equals(GRIDS) ? grids() : read(header);
                headers.put(header, content);
                include(content, headers);
            }
        }
    }

    /// Returns the entries of the grids of GGUF's types, 16 bits each.
    private static String grids() {
        var text = new StringBuilder("#pragma once\n");
        new TreeMap<>(GgufGrid.byType())
                .forEach(
                        (type, grid) -> {
                            text.append("__device__ const unsigned short ")
                                    .append(type)
                                    .append("_GRID[] = {");
                            for (short entry : grid.entries()) {
                                text.append(entry & 0xFFFF).append(',');
                            }
                            text.append("};\n");
                        });
        return text.toString();
    }

    private static String read(String name) {
        try (InputStream stream = KernelSources.class.getResourceAsStream(FOLDER + name)) {
            if (stream == null) {
                throw new IllegalArgumentException("no CUDA source " + name);
            }
            return new String(stream.readAllBytes(), UTF_8);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }
}
