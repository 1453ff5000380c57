"""Recipes: defaults, errors with a way out, and writing one back."""

import pytest

from comparisons.recipe import Recipe, RecipeError, built_in_recipes, load_recipe
from scratch.optimizers import SGD, Adam


def test_the_default_recipe():
    recipe = load_recipe()
    model = recipe.model(784, 10)
    assert model.widths == (784, 16, 16, 16, 16, 10)
    assert model.layer_names == ("dense_1", "relu_1", "dense_2", "relu_2", "dense_3")
    assert model.size == 13_002
    assert recipe.build_optimizer("torch") == Adam(0.001, 0.9, 0.999, 1e-8, convention="torch")
    assert "default" in built_in_recipes()


def test_a_recipe_written_out_reads_back_the_same(tmp_path):
    text = """
    title = 'a "quoted" title, é'
    [network]
    hidden = [5, 4]
    activation = "tanh"
    initializer = { name = "uniform", low = -0.1, high = 1e-3 }
    bias = false
    [loss]
    name = "mean_squared_error"
    reduction = "half_batchmean"
    [optimizer]
    name = "nesterov"
    learning_rate = 1e-05
    """
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    recipe = load_recipe(path)
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(path) == recipe
    assert recipe.build_optimizer("paper") == SGD(1e-5, 0.9, nesterov=True)
    assert recipe.one_hot(recipe.model(4, 3))


BAD = {
    "[optimizer]\nlearnin_rate = 0.1": r'optimizer.learnin_rate: there is no such entry; did you mean "learning_rate"\?',
    "[optimiser]\nname = 'adam'": r'optimiser: there is no such entry; did you mean "optimizer"\?',
    "[optimizer]\nname = 'adan'": r'optimizer.name: "adan" is not known; did you mean "adam"\? Allowed: sgd, momentum',
    "[data]\nname = 'mnist5k'": r'data.name: "mnist5k" is not known; did you mean "mnist-5k"\?',
    "[training]\nepochs = 0": "training.epochs: 0 does not fit",
    "[training]\nepochs = 'many'": 'training.epochs: "many" does not fit; it should be a valid integer',
    "[optimizer]\nlearning_rate = -1.0": "optimizer.learning_rate: -1.0 does not fit",
    "[optimizer]\nlearning_rate = nan": "optimizer.learning_rate: .* does not fit; it should be a finite number",
    "[network]\nhidden = [16, 0]": "network.hidden.1: 0 does not fit",
    "[network]\ninitializer = 'he_norml'": r'network.initializer: there is no initializer "he_norml"; did you mean "he_normal"\?',
    "[network]\ninitializer = { name = 'uniform', high = -1.0 }": "network.initializer: uniform: low = -0.05 is not below",
    "[network]\ninitializer = { name = 'zeros', low = 1.0 }": "zeros does not take these arguments: low",
    "[network]\ninitializer = { name = 'normal', standard_deviation = 'a' }": "standard_deviation = a is not a number between",
    "[network]\ninitializer = { name = 'normal', standard_deviation = nan }": "standard_deviation = nan is not a number between",
    "[network]\ninitializer = { low = 1.0 }": "network.initializer: it should be a name, or a table such as",
    "[network]\ninitializer = 5": "network.initializer: it should be a name, or a table such as",
    "[optimizer]\nlearning_rate = 1e40": "optimizer.learning_rate: 1e\\+40 does not fit",
    "data = 3": "data: 3 does not fit",
    "title = ": "not valid TOML",
    "[loss]\nreduction = 'none'\n[training]\nseed = -1": r"and 1 more",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_recipes_say_where_what_and_what_instead(text, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=BAD[text]) as caught:
        load_recipe(path)
    assert str(caught.value).count("\n") == 0
    assert "mine.toml" in str(caught.value)


def test_what_only_shows_when_the_model_is_built():
    with pytest.raises(RecipeError, match=r"loss.reduction: softmax_cross_entropy: there is no reduction"):
        Recipe.model_validate({"loss": {"reduction": "batchmean"}}).model(4, 3)
    with pytest.raises(RecipeError, match=r"loss.targets: mean_squared_error takes no class indices"):
        Recipe.model_validate({"loss": {"name": "mean_squared_error", "targets": "indices"}}).model(4, 3)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(RecipeError, match=r'no recipe "defualt"; did you mean "default"\?'):
        load_recipe("defualt")
    with pytest.raises(RecipeError, match="it is a folder"):
        load_recipe(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="cannot be read as text"):
        load_recipe(binary)


def test_overrides():
    recipe = load_recipe(load_recipe(), {"training": {"epochs": 1}})
    assert (recipe.training.epochs, recipe.title) == (1, load_recipe().title)
    assert load_recipe(overrides={"training": {"epochs": 7}}).training.epochs == 7
    with pytest.raises(RecipeError, match=r"training.epochs"):
        load_recipe(overrides={"training": {"epochs": 0}})
