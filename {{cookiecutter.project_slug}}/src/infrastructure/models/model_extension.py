from chassis.persistence.model import ModelExtension as ModelExtension
