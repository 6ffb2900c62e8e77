// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/// A CUDA program: one `.cu` file and the headers that it can include, by the names it includes
/// them by.
public record KernelSource(String name, String text, Map<String, String> headers) {

    public KernelSource {
        headers = Collections.unmodifiableMap(new LinkedHashMap<>(headers));
    }
}
