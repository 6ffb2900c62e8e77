// SPDX-License-Identifier: Apache-2.0
/// Measures how well a model predicts a text, and how far it is from another one.
@NullMarked
package dev.lockstep.cli.evaluate;

import org.jspecify.annotations.NullMarked;
