// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// A `.cu` file, named without its suffix, with the options of one program.
record KernelVariant(String file, List<String> options) {
    private static final List<String> ACTIVATIONS = List.of("F32", "BF16");
    private static final List<String> CACHES = List.of("F32", "F16", "BF16");
    private static final String[] OF_ACTIVATION = {
        "activate",
        "activate_multiply",
        "add_gated",
        "add_rms_norm",
        "clear",
        "convolve",
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
        "scale",
        "scale_rows",
        "soft_cap",
        "square_sums",
        "xielu"
    };

    KernelVariant {
        options = List.copyOf(options);
    }

    /// Returns every variant that models run.
    static List<KernelVariant> all() {
        var all = new ArrayList<KernelVariant>();
        for (String file : List.of("advance", "attention_plan", "decay", "scatter")) {
            all.add(of(file));
        }
        for (String file : List.of("sample", "sampler")) {
            all.add(of(file, "--fmad=false"));
        }
        for (String type : ACTIVATIONS) {
            for (String file : OF_ACTIVATION) {
                all.add(of(file, "-DACTIVATION=" + type));
            }
            all.add(of("decode_rows", "-DOUT=" + type));
            for (String other : ACTIVATIONS) {
                all.add(of("add", "-DACTIVATION=" + type, "-DOTHER=" + other));
                all.add(of("copy", "-DFROM=" + type, "-DTO=" + other));
            }
            for (String cache : CACHES) {
                all.add(of("attend", "-DACTIVATION=" + type, "-DKV=" + cache));
                all.add(of("rotate_and_store", "-DACTIVATION=" + type, "-DKV=" + cache));
            }
        }
        for (String cache : CACHES) {
            all.add(of("copy_blocks", "-DKV=" + cache));
        }
        return List.copyOf(all);
    }

    private static KernelVariant of(String file, String... options) {
        return new KernelVariant(file, List.of(options));
    }

    /// Returns the file and the options, without spaces at their ends.
    String label() {
        return String.join(" ", Stream.concat(Stream.of(file + ".cu"), options.stream()).toList());
    }
}
