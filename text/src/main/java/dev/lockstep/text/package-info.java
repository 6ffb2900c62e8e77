// SPDX-License-Identifier: Apache-2.0
/// Text processing at the API edge: tokenizers, detokenizers, stop strings and chat templates.
///
/// Laws of this package: client text is data, so no text becomes a control token unless the caller
/// enables the recognition of special tokens; every pass over client text is linear, or n log n,
/// whatever the text; tokenizers are immutable and shared by all request threads, while
/// detokenizers and stop strings belong to one request each.
@NullMarked
package dev.lockstep.text;

import org.jspecify.annotations.NullMarked;
